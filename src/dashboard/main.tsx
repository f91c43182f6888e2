import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './app.tsx'
import './styles/base.css'
import './styles/controls.css'
import './styles/forms.css'
import './styles/badges.css'
import './styles/dialogs.css'
import './styles/messages.css'
import './styles/header.css'
import './styles/layout.css'
import './styles/tables.css'
import './styles/login.css'
import './styles/palette.css'
import './styles/overview.css'
import './styles/fleet.css'
import './styles/filters.css'
import './styles/tasks.css'
import './styles/errors.css'
import './styles/detail.css'
import './styles/log.css'
import './styles/timeline.css'
import './styles/json.css'
import './styles/bars.css'

const root = document.getElementById('root')
if (!root) throw new Error('index.html has no #root')
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
)
