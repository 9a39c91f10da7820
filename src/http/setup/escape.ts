/** What no document of XML 1.0 may hold, in whatever form: controls, halves of surrogate pairs, U+FFFE and U+FFFF. */
const NO_XML = /[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u
const NO_XML_ALL = new RegExp(NO_XML, 'gu')

/** Whether XML can hold the text as it is. */
export const fitsXml = (text: string): boolean => !NO_XML.test(text)

/** Text for XML and HTML, between tags and within quotes. What neither may hold becomes U+FFFD. */
export const escaped = (text: string): string =>
  text.replace(NO_XML_ALL, '\ufffd').replace(/[&<>"'`\t\n\r]/g, (character) => `&#${character.charCodeAt(0)};`)

/** An element that holds text alone. */
export const element = (name: string, text: string | number): string => `<${name}>${escaped(String(text))}</${name}>`
