/** Never yields: no signal reaches it, no timer fires. */
export default function endless(): never {
  for (;;);
}
