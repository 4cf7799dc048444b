/**
 * How V8 keeps memory, set before anything is allocated in earnest: main.ts imports this first, and what the libraries
 * allocate when they are loaded comes after. https://v8.dev/blog/trash-talk
 */
import { setFlagsFromString } from 'node:v8'

// A small young generation: what the window holds outlives it anyway, and V8 would let it grow by tens of megabytes.
setFlagsFromString('--semi-space-growth-factor=1')
// And an old one that is collected when it has grown by a fifth: what lives is small, but each run that fails (connections,
// catalogs, a window full of messages) leaves garbage that V8 would otherwise let lie until it is several times as much.
setFlagsFromString('--heap-growing-percent=20')
