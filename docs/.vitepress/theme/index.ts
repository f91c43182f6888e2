import theme from 'vitepress/theme'
import './styles.css'

export default theme
