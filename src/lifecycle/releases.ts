/**
 * What was acquired is released in reverse order, whatever happened in between. Every acquire pushes its release at
 * once, so that a failure half way releases exactly what there is.
 */
export class Releases {
  readonly #releases: (() => unknown)[] = []

  push(release: () => unknown): void {
    this.#releases.push(release)
  }

  /** Runs all of them, last first. One that fails does not keep the others from running. */
  async run(): Promise<void> {
    for (let release = this.#releases.pop(); release !== undefined; release = this.#releases.pop()) {
      try {
        await release()
      } catch {
        // What is being let go of may be broken already; that is often why it is let go of.
      }
    }
  }
}
