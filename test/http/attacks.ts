/** Texts and requests of attackers, for tests that send them everywhere. */

/** Advances when a statement of an attacker is executed. */
export const EXECUTED = 'attack_executed'
const CALL = `nextval('${EXECUTED}')`

export const SQL_TEXTS = [
  `'`,
  `"`,
  `\\'`,
  `';select ${CALL};--`,
  `' or ${CALL}>0 --`,
  `1) or ${CALL}>0 --`,
  `') union select ${CALL}::text,null,null --`,
  `"; select ${CALL}; --`,
  `$$;select ${CALL};$$`,
  `\\'; select ${CALL}; --`,
  `%' or ${CALL}>0 or '%`,
  `; copy (select 1) to program 'id' --`,
  `' || (select ${CALL})::text || '`,
  `\u02bc; select ${CALL}; --`,
  `{"$gt":""}`,
  `E'\\x27;select ${CALL}'`,
]

export const MARKUP_TEXTS = [
  `<script>alert(1)</script>`,
  `"><img src=x onerror=alert(1)>`,
  `javascript:alert(1)`,
  `{{7*7}}\${7*7}<%=7*7%>`,
]

export const PATH_TEXTS = [
  '../../../../etc/passwd',
  '..\\..\\windows\\win.ini',
  '/etc/passwd',
  'file:///etc/passwd',
  'http://169.254.169.254/latest/meta-data',
  '.',
  '..',
  '...',
  '%2e%2e%2f',
  '%252e%252e%252f',
  '..%c0%af',
  '.git/config',
  '~root',
  'CON',
  '|id',
  '`id`',
  '$(id)',
]

export const ENCODING_TEXTS = [
  'a\r\nx-injected: 1',
  'a\r\n\r\n<html>',
  '\u0000',
  'a\u0000b',
  '\ud800',
  '\ufeff',
  '\u202e',
  'ＳＥＬＥＣＴ',
  'İ'.repeat(50),
  '́'.repeat(500),
  '%s%s%s%n',
  '__proto__',
  'constructor',
  'toString',
  'x'.repeat(8_000),
]

export const TEXTS = [...SQL_TEXTS, ...MARKUP_TEXTS, ...PATH_TEXTS, ...ENCODING_TEXTS]

/** Headers that make other servers forget who asks, what is asked for, or where it came from. */
export const HEADERS: readonly Record<string, string>[] = [
  { 'x-http-method-override': 'DELETE', 'x-method-override': 'DELETE', 'x-http-method': 'DELETE' },
  { 'x-original-url': '/api/admin/tasks', 'x-rewrite-url': '/api/admin/tasks' },
  {
    'x-forwarded-prefix': '/api/admin',
    'x-forwarded-uri': '/api/admin/tasks',
    'x-forwarded-host': 'evil.example',
  },
  { 'x-forwarded-for': '127.0.0.1', 'x-real-ip': '127.0.0.1', forwarded: 'for=127.0.0.1;proto=https' },
  { host: 'evil.example', 'x-forwarded-proto': 'https' },
  { 'x-user': 'admin', 'x-remote-user': 'admin', 'remote-user': 'admin', 'x-role': 'admin' },
  {
    accept: '../../etc/passwd',
    'accept-language': `';select ${CALL};--`,
    'accept-encoding': 'x'.repeat(3_000),
  },
  { 'if-none-match': '*', 'if-modified-since': 'x', range: 'bytes=0-0,1-1,2-2', 'if-range': 'x' },
  { 'last-event-id': `0';select ${CALL};--` },
  { 'last-event-id': '9'.repeat(400) },
  { 'transfer-encoding': 'gzip', te: 'trailers' },
  { cookie: `async_tasks_session=${'a.'.repeat(2_000)}; async_tasks_session="';--"; =; ;;;` },
  { authorization: 'Basic YWRtaW46YWRtaW4=' },
  { authorization: `Bearer ${'a'.repeat(8_000)}` },
  { authorization: `Bearer ';select ${CALL};--` },
  { 'content-type': 'application/xml' },
  { 'content-type': 'application/json; charset=utf-7' },
  { 'content-type': 'multipart/form-data; boundary=x' },
  { 'content-encoding': 'gzip' },
  { 'content-length': '0' },
  { expect: '200-ok' },
  { upgrade: 'websocket', connection: 'upgrade' },
  { origin: 'null', 'sec-fetch-site': 'cross-site' },
]

const deep = (open: string, close: string, depth: number) => open.repeat(depth) + close.repeat(depth)
const manyKeys = (count: number) => `{${Array.from({ length: count }, (_, i) => `"k${i}":${i}`).join(',')}}`

/** Bodies that cost a server more than a client. Each is JSON, or meant to be taken for it. */
export const BODIES: readonly [name: string, body: string | Buffer][] = [
  ['objects 50,000 deep', deep('{"a":', '', 50_000)],
  ['lists 50,000 deep', deep('[', ']', 50_000)],
  ['params 50,000 deep', `{"taskType":"echo","params":{"a":${deep('[', ']', 50_000)}}}`],
  ['100,000 keys', manyKeys(100_000)],
  ['100,000 params', `{"taskType":"echo","params":${manyKeys(100_000)}}`],
  ['20,000 equal keys', `{${'"taskType":"echo",'.repeat(20_000)}"taskType":"echo"}`],
  ['__proto__', '{"__proto__":{"isAdmin":true},"constructor":{"prototype":{"isAdmin":true}}}'],
  ['escaped __proto__', '{"\\u005f_proto__":{"isAdmin":true}}'],
  ['3 MB', JSON.stringify({ taskType: 'x'.repeat(3_000_000) })],
  ['a number of 100,000 digits', `{"taskType":${'9'.repeat(100_000)}}`],
  ['numbers beyond all bounds', '{"priority":1e999,"maxRetries":-1e999}'],
  ['bytes that are not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d])],
  ['UTF-16', Buffer.from('{"taskType":"echo"}', 'utf16le')],
  ['a byte order mark', Buffer.from('\ufeff{"taskType":"echo"}')],
  ['two values', '{}{}'],
  ['a list', '[]'],
  ['a text', '"x"'],
  ['null', 'null'],
  ['a form', 'taskType=echo&params[a]=1'],
]

/** What no response may hold: the inside of the server. */
export const LEAKS: readonly RegExp[] = [
  /\bat .+\.(ts|js|mjs):\d+/,
  /node_modules|\/src\//,
  /\$scrypt\$/,
  /syntax error|relation ".*" does not exist|duplicate key value|invalid input syntax/i,
  /\b(ECONN\w+|ENOENT|EACCES)\b/,
  /root:x:0:0/,
  /postgres(ql)?:\/\//,
]
