import { useText } from '../i18n/text.ts'

/** Titles of the columns, and of a last one for the actions of a row. */
export function TableHead({ columns }: { columns: readonly string[] }) {
  const text = useText()
  return (
    <thead>
      <tr>
        {columns.map((title) => (
          <th key={title}>{title}</th>
        ))}
        <th>
          <span className="visually-hidden">{text.app.actions}</span>
        </th>
      </tr>
    </thead>
  )
}
