/** A part of the daemon that runs until it is told to stop. A service whose `run` settles ends the daemon. */
export interface Service {
  readonly name: string
  /** Resolves after an orderly stop; rejects with the reason otherwise. */
  run(signal: AbortSignal): Promise<void>
}
