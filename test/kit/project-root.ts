/** Where the project stands, for tests. */
export { projectRoot } from '../../tools/project-root.ts'
