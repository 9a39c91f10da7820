/** HTML that is put together without a way to forget an escape: what goes into a template is text, unless it came out of one. */
import { createHash } from 'node:crypto'
import { escaped } from './escape.ts'

export class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export type Content = string | number | Markup | readonly Content[]

export function html(strings: TemplateStringsArray, ...contents: readonly Content[]): Markup {
  return new Markup(strings.reduce((text, piece, i) => text + written(contents[i - 1]!) + piece))
}

function written(content: Content): string {
  if (content instanceof Markup) return content.text
  if (typeof content === 'object') return content.map(written).join('')
  return escaped(String(content))
}

/** Light or dark as the device is; nothing is fetched for it. */
const STYLE = `
:root { color-scheme: light dark; --line: color-mix(in srgb, CanvasText 20%, Canvas); --pale: color-mix(in srgb, CanvasText 6%, Canvas) }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1rem 1rem 3rem; max-width: 42rem; font: 1rem/1.5 system-ui, sans-serif; background: Canvas; color: CanvasText }
h1 { font-size: 1.5rem; line-height: 1.2; overflow-wrap: anywhere }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 }
th, td { padding: .4rem .5rem .4rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; overflow-wrap: anywhere }
thead th { font-size: .85rem; font-weight: normal }
th[scope=row] { font-weight: normal; overflow-wrap: normal }
code { font: inherit; font-weight: 600; overflow-wrap: anywhere }
li { margin: .25rem 0 }
form { background: var(--pale); border: 1px solid var(--line); border-radius: .5rem; padding: 1rem; margin: 1rem 0 }
label { display: block; margin: 0 0 .75rem }
input { display: block; width: 100%; font: inherit; padding: .5rem; margin-top: .2rem; border: 1px solid GrayText; border-radius: .3rem; background: Field; color: FieldText }
button { font: inherit; padding: .5rem 1rem; margin: .25rem .5rem .25rem 0; border: 1px solid GrayText; border-radius: .3rem; background: ButtonFace; color: ButtonText; cursor: pointer }
.problem { border-left: .3rem solid #c0392b; padding: .5rem .75rem; background: var(--pale) }
.small { font-size: .875rem }
`

/** For Content-Security-Policy's style-src: this style, and no other. */
export const STYLE_SOURCE = `'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`
export const PAGE_TYPE = 'text/html; charset=utf-8'

export const page = (title: string, body: Markup): string =>
  `${
    html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title}</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
${body}
</body>
</html>`.text
  }\n`
