import { useQuery } from '@tanstack/react-query'
import type { TaskDetail } from '../../../client/index.ts'
import { client } from '../../client.ts'
import { FieldFrame } from '../../components/field.tsx'
import { Empty, Unread } from '../../components/notice.tsx'
import { useText } from '../../i18n/text.ts'
import { visible } from '../../i18n/visible.ts'
import { typesQuery } from '../../state/queries.ts'
import { go } from '../../state/route.ts'
import { useReadOnly } from '../../state/server-state.tsx'
import { useTitle } from '../../state/use-title.ts'
import { TaskForm } from './task-form.tsx'

/** `?type=` chooses a type, `?from=` starts from a task that is there. */
export function NewTaskPage({ params }: { params: URLSearchParams }) {
  const text = useText()
  useTitle(text.form.title)
  const from = params.get('from')
  const original = useQuery({
    queryKey: ['original', from],
    queryFn: ({ signal }) => client.getTask(from ?? '', { signal }),
    enabled: from !== null,
    // The form starts from it, and takes over no later response.
    gcTime: 0,
  })
  const types = useQuery(typesQuery)
  const isReadOnly = useReadOnly()
  const isReady = types.data && (from === null || original.data)
  if (isReadOnly) return <Empty isPage title={text.form.notAllowed} />
  return (
    <>
      <div className="page-head">
        <h1>{text.form.title}</h1>
      </div>
      {!isReady && <Unread query={types.data ? original : types} lines={5} />}
      {types.data?.length === 0 && (
        <Empty title={text.form.noTypes}>
          <p>{text.form.noTypesText}</p>
        </Empty>
      )}
      {isReady && types.data.length > 0 && <Chooser chosen={params.get('type')} original={original.data} />}
    </>
  )
}

function Chooser({ chosen, original }: { chosen: string | null; original: TaskDetail | undefined }) {
  const text = useText()
  const types = useQuery(typesQuery).data ?? []
  const only = types.length === 1 ? types[0]?.taskType : undefined
  const taskType = chosen ?? original?.taskType ?? only ?? ''
  const type = types.find((one) => one.taskType === taskType)
  const isSame = original?.taskType === taskType
  return (
    <div className="card form-card">
      <FieldFrame label={text.form.type}>
        {(control) => (
          <select
            {...control}
            value={taskType}
            onChange={(event) => go({ view: 'new', type: event.target.value }, { replace: true })}
          >
            <option value="" disabled>
              {text.form.choose}
            </option>
            {types.map((one) => (
              <option key={one.taskType} value={one.taskType}>
                {visible(one.taskType)}
                {one.paused ? ` (${text.list.pausedType})` : ''}
              </option>
            ))}
          </select>
        )}
      </FieldFrame>
      {!type && taskType !== '' && <p className="hint">{text.form.unknownType(visible(taskType))}</p>}
      {type && <TaskForm key={taskType} type={type} {...(isSame && original ? { original } : {})} />}
    </div>
  )
}
