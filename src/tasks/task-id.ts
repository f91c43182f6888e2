/** Task ids are `task_` and letters or digits; nothing else can name a row. */
export const TASK_ID = /^task_[A-Za-z0-9]{1,45}$/
