import { useText } from '../i18n/text.ts'
import { visible } from '../i18n/visible.ts'
import { ENVIRONMENT, HOME_URL, TITLE } from '../settings.ts'
import { Icon } from './icon.tsx'

/** The host app's title and links, and who is logged in there. */
export function HostBar({ who }: { who?: string | undefined }) {
  const text = useText()
  if (who === undefined && `${TITLE}${ENVIRONMENT}${HOME_URL}` === '') return null
  return (
    <div className="host-bar">
      {HOME_URL !== '' && (
        <a href={HOME_URL}>
          <Icon name="left" />
          {text.app.home}
        </a>
      )}
      {TITLE !== '' && <span className="name strong">{visible(TITLE)}</span>}
      {ENVIRONMENT !== '' && (
        <span className="name environment">
          <span className="visually-hidden">{text.app.environment} </span>
          {visible(ENVIRONMENT)}
        </span>
      )}
      {who !== undefined && <span className="name who">{text.app.loggedInAs(visible(who))}</span>}
    </div>
  )
}
