import { vi } from 'vitest';

/** Its types would bring those of a browser to all tests. */
const { options, render } = (await import('preact' as string)) as { options: { requestAnimationFrame?: (run: () => void) => void }; render: (what: unknown, into: object) => void };

/**
 * What of a browser the pages' components need to be drawn and used: enough of a document to read what stands in it and to press what can be pressed, and a gateway of fixed answers. Layout, focus order
 * and colours are for test/browser; this is for what is said, of which figure, in which order and unit.
 */

type Handler = (event: object) => unknown;

export class SmallNode {
  parentNode: SmallElement | null = null;
  readonly nodeType: number;
  constructor(nodeType: number) {
    this.nodeType = nodeType;
  }
  get nextSibling(): SmallNode | null {
    const siblings = this.parentNode?.childNodes ?? [];
    return siblings[siblings.indexOf(this) + 1] ?? null;
  }
  remove(): void {
    this.parentNode?.childNodes.splice(this.parentNode.childNodes.indexOf(this), 1);
    this.parentNode = null;
  }
  /** As it is read: what is hidden from the eye is read out, so it counts. */
  get text(): string {
    return '';
  }
}

class SmallText extends SmallNode {
  data: string;
  constructor(data: string) {
    super(3);
    this.data = data;
  }
  override get text(): string {
    return this.data;
  }
}

const BLOCKS = new Set(['p', 'li', 'tr', 'td', 'th', 'h1', 'h2', 'h3', 'div', 'dt', 'dd', 'option', 'summary', 'label', 'section', 'button']);

export class SmallElement extends SmallNode {
  readonly localName: string;
  readonly namespaceURI: string | null;
  readonly childNodes: SmallNode[] = [];
  readonly attributes = new Map<string, string>();
  readonly style: Record<string, unknown> = { setProperty: () => undefined };
  readonly clientWidth = 600;
  readonly clientHeight = 600;
  scrollTop = 0;
  value = '';
  readonly #handlers = new Map<string, Handler>();

  constructor(localName: string, namespaceURI: string | null = null) {
    super(1);
    this.localName = localName;
    this.namespaceURI = namespaceURI;
  }
  get firstChild(): SmallNode | null {
    return this.childNodes[0] ?? null;
  }
  insertBefore(node: SmallNode, before: SmallNode | null): SmallNode {
    node.remove();
    this.childNodes.splice(before === null ? this.childNodes.length : this.childNodes.indexOf(before), 0, node);
    node.parentNode = this;
    return node;
  }
  appendChild(node: SmallNode): SmallNode {
    return this.insertBefore(node, null);
  }
  setAttribute(name: string, value: unknown): void {
    this.attributes.set(name, String(value));
  }
  removeAttribute(name: string): void {
    this.attributes.delete(name);
  }
  getAttribute(name: string): string | null {
    return this.attributes.get(name) ?? null;
  }
  hasAttribute(name: string): boolean {
    return this.attributes.has(name);
  }
  addEventListener(name: string, handler: Handler): void {
    this.#handlers.set(name, handler);
  }
  removeEventListener(name: string): void {
    this.#handlers.delete(name);
  }
  replaceChildren(): void {
    this.childNodes.length = 0;
  }
  focus(): void {
    (globalThis as unknown as { document: { activeElement: SmallElement } }).document.activeElement = this;
  }
  scrollIntoView(): void {}
  reset(): void {
    for (const field of this.all('[name]')) field.value = '';
  }
  get elements() {
    return { namedItem: (name: string): SmallElement | null => this.all(`[name=${name}]`)[0] ?? null };
  }

  override get text(): string {
    const inner = this.childNodes.map((node) => node.text).join('');
    return (BLOCKS.has(this.localName) || this.classes.includes('under') ? ` ${inner} ` : inner).replace(/\s+/g, ' ');
  }
  get words(): string {
    return this.text.trim();
  }
  get classes(): string[] {
    return (this.getAttribute('class') ?? '').split(' ').filter(Boolean);
  }
  *everything(): Generator<SmallElement> {
    for (const node of this.childNodes) {
      if (!(node instanceof SmallElement)) continue;
      yield node;
      yield* node.everything();
    }
  }
  /** `tbody tr .number`, `[aria-label=Meter]`: descendants, each by a tag, classes or an attribute. */
  all(selector: string): SmallElement[] {
    const [first, ...rest] = selector.split(' ');
    const found = [...this.everything()].filter((element) => element.#is(first));
    return rest.length === 0 ? found : [...new Set(found.flatMap((element) => element.all(rest.join(' '))))];
  }
  one(selector: string): SmallElement {
    const [found] = this.all(selector);
    if (found === undefined) throw new Error(`there is no ${selector} in: ${this.words}`);
    return found;
  }
  querySelector(selector: string): SmallElement | null {
    return this.all(selector)[0] ?? null;
  }
  /** The button or link of these words. */
  button(words: string): SmallElement {
    const found = [...this.everything()].find((element) => ['button', 'a', 'summary'].includes(element.localName) && element.words === words);
    if (found === undefined) throw new Error(`there is nothing to press with ${words} in: ${this.words}`);
    return found;
  }
  #is(simple: string): boolean {
    const [, tag, classes, name, value] = /^([a-z0-9]*)((?:\.[\w-]+)*)(?:\[([\w-]+)(?:=([^\]]*))?\])?$/.exec(simple) ?? [];
    if (tag && this.localName !== tag) return false;
    if (classes && !classes.slice(1).split('.').every((one) => this.classes.includes(one))) return false;
    return name === undefined || (value === undefined ? this.hasAttribute(name) : this.getAttribute(name) === value);
  }
  /** What somebody does to it; `target` has the fields that a handler looks at. */
  async fire(name: string, more: object = {}): Promise<void> {
    await this.#handlers.get(name)?.call(this, { type: name, target: this, currentTarget: this, preventDefault: () => undefined, ...more });
    await settled();
  }
  press(): Promise<void> {
    return this.fire('click');
  }
  choose(value: string): Promise<void> {
    this.value = value;
    return this.fire('change');
  }
  enter(value: string): Promise<void> {
    this.value = value;
    return this.fire('input');
  }
}

export interface Asked {
  method: string;
  path: string;
  query: Record<string, string>;
  body: unknown;
  headers: Record<string, string>;
}

/** Answers by their path under /api/v1, as documents or made from the question; a Response goes as it is. Others are 404. */
export type Answers = Record<string, object | ((asked: Asked) => object)>;

export class SmallPage {
  readonly asked: Asked[] = [];
  readonly root = new SmallElement('div');
  answers: Answers = {};
  #shown: unknown = null;

  constructor() {
    const listeners = { addEventListener: () => undefined, removeEventListener: () => undefined, dispatchEvent: () => true };
    const kept = new Map<string, string>();
    vi.stubGlobal('document', { ...listeners, createElementNS: (namespace: string, name: string) => new SmallElement(name, namespace), createTextNode: (text: string) => new SmallText(text), getElementById: () => null, activeElement: null, visibilityState: 'visible', documentElement: { dataset: {} } });
    vi.stubGlobal('location', { hash: '', host: 'grid.example', protocol: 'https:' });
    vi.stubGlobal('localStorage', { getItem: (name: string) => kept.get(name) ?? null, setItem: (name: string, value: string) => kept.set(name, value), removeItem: (name: string) => kept.delete(name) });
    for (const [name, value] of Object.entries(listeners)) vi.stubGlobal(name, value);
    vi.stubGlobal('matchMedia', () => ({ matches: false, ...listeners }));
    vi.stubGlobal('ResizeObserver', class { observe(): void {} disconnect(): void {} });
    vi.stubGlobal('getComputedStyle', () => ({ fontFamily: 'sans-serif', getPropertyValue: (name: string) => name }));
    vi.stubGlobal('requestAnimationFrame', (run: () => void) => setTimeout(run));
    vi.stubGlobal('fetch', (address: string, request: RequestInit) => this.#answer(address, request));
    options.requestAnimationFrame = (run) => queueMicrotask(run);
  }

  /** Draws it, and waits until nothing more comes of it. */
  async show(what: unknown): Promise<SmallElement> {
    this.#shown = what;
    render(what, this.root);
    await settled();
    return this.root;
  }

  /** What it began ends, and what the tests' own surroundings have is there again. */
  async close(): Promise<void> {
    if (this.#shown !== null) render(null, this.root);
    await settled();
    vi.unstubAllGlobals();
  }

  async #answer(address: string, request: RequestInit): Promise<Response> {
    const url = new URL(address, 'https://grid.example');
    const path = url.pathname.slice('/api/v1'.length);
    const asked: Asked = { method: request.method ?? 'GET', path, query: Object.fromEntries(url.searchParams), body: request.body === undefined ? null : JSON.parse(String(request.body)), headers: (request.headers ?? {}) as Record<string, string> };
    this.asked.push(asked);
    const answer = this.answers[`${asked.method} ${path}`] ?? this.answers[path];
    const document = typeof answer === 'function' ? await (answer as (asked: Asked) => object | Promise<object>)(asked) : answer;
    if (document instanceof Response) return document;
    return document === undefined ? refusal(404, 'not_found', `There is no ${path}.`) : Response.json(document);
  }
}

export function refusal(status: number, code: string, detail: string, more: object = {}): Response {
  return Response.json({ code, detail, ...more }, { status });
}

export function pageOf(...data: object[]): { data: object[]; nextCursor: null } {
  return { data, nextCursor: null };
}

/** Answers, effects and drawings follow one another some turns of the event loop long. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await new Promise((resolve) => setImmediate(resolve));
}
