import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './app.tsx'
import './styles/base.css'
import './styles/controls.css'
import './styles/layout.css'
import './styles/overview.css'
import './styles/fleet.css'
import './styles/tasks.css'
import './styles/detail.css'

const root = document.getElementById('root')
if (!root) throw new Error('index.html has no #root')
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
)
