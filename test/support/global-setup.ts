/** Runs once, before the workers of jest start: no test sees what a developer's `crossrank tune` has measured. */
export default function globalSetup(): void {
  process.env.CROSSRANK_PROFILE = 'off';
}
