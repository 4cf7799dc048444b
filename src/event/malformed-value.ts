/**
 * The one error for text that PostgreSQL would not have sent for the type it is said to have. It happens when the
 * type was altered after the row was written, so that the catalog describes another type than the row's. The value
 * itself is not repeated: errors are logged, and rows are none of the log's business.
 */
import { PoisonError } from '../errors.ts'

export function malformedValue(what: string): PoisonError {
  return new PoisonError(`a column's text is not what its type says: ${what}`, {
    code: 'malformed_value',
    remedy:
      "If the type was altered while rows of its old shape were waiting in the slot, leave the row to the dead letters and read it from the table; otherwise report it with the column's type.",
  })
}
