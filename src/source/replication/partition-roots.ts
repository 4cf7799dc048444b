/**
 * Partitioned tables that are published under the name of their root. PostgreSQL marks their old rows as whole where
 * the root's replica identity is FULL, but the WAL holds what the partition's own identity says: without FULL the key
 * alone, and the other columns come as null.
 *
 * Which partition has which identity stands in the stream, as of the time of the change: before the first row that
 * comes by way of a partition, PostgreSQL describes the root and right behind it the partition. Only a TRUNCATE
 * describes tables one behind the other that have nothing to do with each other. See maybe_send_schema in
 * https://github.com/postgres/postgres/blob/master/src/backend/replication/pgoutput/pgoutput.c
 */
import type { Relation } from '../../event/event.ts'

/** Called once for each root, with the first partition of which only the key is known. */
export type TellPartial = (root: Relation, partition: Relation) => void

export class PartitionRoots {
  readonly #relations: Map<number, Relation>
  readonly #tell: TellPartial
  /** By root: its partitions without FULL, until they are described with it. */
  readonly #short = new Map<number, Set<number>>()
  readonly #told = new Set<number>()
  /** What was described for the change of this ordinal, in order. */
  readonly #described: Relation[] = []
  #ordinal = 0
  #untold: { readonly root: Relation; readonly partition: Relation } | null = null

  /** `relations`: where tables are kept by OID, as they are to be taken. */
  constructor(relations: Map<number, Relation>, tell: TellPartial) {
    this.#relations = relations
    this.#tell = tell
  }

  /** A table is described before the change of this ordinal in its transaction. */
  describe(relation: Relation, ordinal: number): void {
    if (ordinal !== this.#ordinal) this.#described.length = 0
    this.#ordinal = ordinal
    const root = this.#described.at(-1)
    this.#described.push(relation)
    this.#keep(relation)
    if (root !== undefined) this.#pair(root, relation, relation.replicaIdentity === 'full')
  }

  /** What was described for a TRUNCATE is no root with its partition. */
  truncate(ordinal: number): void {
    if (ordinal !== this.#ordinal) return
    for (const [i, relation] of this.#described.entries()) {
      if (i > 0) this.#pair(this.#described[i - 1]!, relation, true)
    }
  }

  commit(): void {
    if (this.#described.length === 0) return
    this.#described.length = 0
    if (this.#untold === null) return
    const { root, partition } = this.#untold
    this.#untold = null
    this.#told.add(root.oid)
    this.#tell(root, partition)
  }

  #pair(root: Relation, partition: Relation, whole: boolean): void {
    if (root.replicaIdentity !== 'full' || root.oid === partition.oid) return
    const short = this.#short.get(root.oid) ?? new Set()
    this.#short.set(root.oid, short)
    if (whole) {
      short.delete(partition.oid)
      if (this.#untold?.partition.oid === partition.oid) this.#untold = null
    } else {
      short.add(partition.oid)
      if (!this.#told.has(root.oid)) this.#untold = { root, partition }
    }
    this.#keep(root)
  }

  /** A row does not say which partition it is of, so that one without FULL speaks for all. */
  #keep(relation: Relation): void {
    const partial = relation.replicaIdentity === 'full' && (this.#short.get(relation.oid)?.size ?? 0) > 0
    this.#relations.set(relation.oid, partial ? { ...relation, replicaIdentity: 'partial' } : relation)
  }
}
