import type { TaskDetail } from '../../../client/index.ts'
import { client } from '../../client.ts'
import { FieldFrame } from '../../components/field.tsx'
import { Empty, Failure, Skeleton } from '../../components/notice.tsx'
import { useText } from '../../i18n/text.ts'
import { visible } from '../../i18n/visible.ts'
import { go } from '../../state/route.ts'
import { useServerState } from '../../state/server-state.tsx'
import { useQuery } from '../../state/use-query.ts'
import { useTitle } from '../../state/use-title.ts'
import { TaskForm } from './task-form.tsx'

/** `?type=` chooses a type, `?from=` starts from a task that is there. */
export function NewTaskPage({ params }: { params: URLSearchParams }) {
  const text = useText()
  useTitle(text.form.title)
  const from = params.get('from')
  const original = useQuery<TaskDetail>(from, (signal) => client.getTask(from ?? '', { signal }), {
    everyMs: null,
  })
  const { types } = useServerState()
  return (
    <>
      <div className="page-head">
        <h1>{text.form.title}</h1>
      </div>
      {types.error && !types.data && <Failure error={types.error} onRetry={types.refetch} />}
      {original.error && <Failure error={original.error} onRetry={original.refetch} />}
      {types.data?.length === 0 && (
        <Empty title={text.form.noTypes}>
          <p>{text.form.noTypesText}</p>
        </Empty>
      )}
      {types.data && types.data.length > 0 && (from === null || original.data) ? (
        <Chooser chosen={params.get('type')} original={original.data} />
      ) : (
        !types.error && !original.error && !types.data?.length && <Skeleton lines={5} />
      )}
    </>
  )
}

function Chooser({ chosen, original }: { chosen: string | null; original: TaskDetail | undefined }) {
  const text = useText()
  const types = useServerState().types.data ?? []
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
