export const count = (n: number) => n.toLocaleString('zh-CN')
export const tasks = (n: number) => `${count(n)} 个任务`
