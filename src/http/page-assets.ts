/**
 * The page's style and script. They stand in the page itself, so that it works without any other server and
 * can be saved or mailed as one file. The browser runs the script because the page's policy names its hash.
 */

export const STYLE = `
:root { color-scheme: light dark;
  --back: #f4f5f7; --card: #fff; --line: #dfe3e8; --text: #17202a; --dim: #5d6b7a;
  --good: #15803d; --warn: #b45309; --bad: #c81e1e; --accent: #2563eb; --soft: #e7eefc; }
@media (prefers-color-scheme: dark) { :root {
  --back: #0e1318; --card: #171e26; --line: #2a343f; --text: #e6ebf0; --dim: #93a1b0;
  --good: #4ade80; --warn: #fbbf24; --bad: #f87171; --accent: #7aa7ff; --soft: #1c2a44; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main, footer { max-width: 1080px; margin: 0 auto; padding: 20px 16px; }
footer { padding-top: 0; color: var(--dim); font-size: 13px; }
a { color: var(--accent); }
header { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 14px; margin-bottom: 16px; }
h1 { font-size: 20px; margin: 0; }
h2 { font-size: 12px; font-weight: 600; margin: 0 0 8px; color: var(--dim);
  text-transform: uppercase; letter-spacing: .06em; }
.dim { color: var(--dim); }
.pill { border-radius: 99px; padding: 1px 12px; font-weight: 600; font-size: 14px;
  border: 1px solid currentColor; }
.good { color: var(--good); } .warn { color: var(--warn); } .bad { color: var(--bad); }
.grid { display: grid; gap: 12px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 220px), 1fr)); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px;
  min-width: 0; margin-bottom: 12px; }
.grid .card { margin: 0; } .grid { margin-bottom: 12px; }
.grid.wide { grid-template-columns: repeat(auto-fit, minmax(min(100%, 330px), 1fr)); }
.totals { display: flex; flex-wrap: wrap; gap: 4px 32px; margin: 0; }
.totals div { display: flex; gap: 8px; } .totals dd { font-weight: 600; }
.big { font-size: 28px; line-height: 1.2; font-weight: 650; font-variant-numeric: tabular-nums; }
.big small { font-size: 14px; font-weight: 500; color: var(--dim); white-space: nowrap; }
.alert { border-left: 4px solid var(--bad); } .alert.old { border-left-color: var(--line); }
.alert p { margin: 4px 0 0; overflow-wrap: anywhere; }
svg { display: block; width: 100%; }
.spark { height: 44px; margin-top: 8px; }
.spark path { fill: var(--soft); stroke: var(--accent); stroke-width: 1.5;
  vector-effect: non-scaling-stroke; }
.bar { height: 6px; margin: 10px 0 6px; border-radius: 3px; background: var(--line); }
.bar rect { fill: var(--accent); } .bar.full rect { fill: var(--warn); }
dl { display: grid; grid-template-columns: auto 1fr; gap: 3px 16px; margin: 0; }
dt { color: var(--dim); } dd { margin: 0; text-align: right; overflow-wrap: anywhere;
  font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 500; color: var(--dim); }
th, td { padding: 5px 12px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
.card.rows { overflow-x: auto; }
tr:last-child td { border-bottom: 0; }
.num { text-align: right; }
code { font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, monospace; }
#stale { position: sticky; top: 0; background: var(--bad); color: #fff; padding: 6px 16px;
  text-align: center; }
@media (max-width: 560px) {
  thead { display: none; }
  tr { display: block; padding: 6px 0; border-bottom: 1px solid var(--line); }
  tr:last-child { border-bottom: 0; }
  td { display: flex; gap: 12px; justify-content: space-between; border: 0; padding: 2px 0; text-align: right;
    overflow-wrap: anywhere; }
  td::before { content: attr(data-label); color: var(--dim); flex: none; text-align: left; }
}
`

/** Every two seconds the page is fetched again and its main part replaced; a page nobody looks at rests. */
export const SCRIPT = `
const stale = document.getElementById('stale')
let answered = new Date()
async function refresh() {
  if (document.hidden) return
  try {
    const response = await fetch(location.pathname, { cache: 'no-store', signal: AbortSignal.timeout(4000) })
    if (!response.ok) throw new Error(String(response.status))
    const next = new DOMParser().parseFromString(await response.text(), 'text/html')
    document.querySelector('main').replaceWith(next.querySelector('main'))
    document.title = next.title
    answered = new Date()
    stale.hidden = true
  } catch {
    stale.textContent = 'No answer since ' + answered.toLocaleTimeString() + '. What you see is old.'
    stale.hidden = false
    document.title = 'no answer - fraiseql-observer'
  }
}
setInterval(refresh, 2000)
document.addEventListener('visibilitychange', refresh)
`
