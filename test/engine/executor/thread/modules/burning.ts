/** Burns a core for so many milliseconds without yielding. */
export default function burning({ ms }: { ms: number }): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}
