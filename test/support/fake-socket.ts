/** The browser's WebSocket for tests of pages: opens when the test says so, keeps what was sent, and says what the test has it say. */
export class FakeSocket {
  static OPEN = 1;
  /** Every one since the test began, in order. */
  static all: FakeSocket[] = [];
  readyState = 0;
  sent: any[] = [];
  onopen = () => {};
  onclose: ((event?: { code: number }) => void) | null = () => {};
  onmessage = (_event: { data: string }) => {};
  readonly url: string;

  constructor(url: string) {
    this.url = url;
    FakeSocket.all.push(this);
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(): void {
    this.readyState = 3;
  }

  open(heartbeatMs = 15_000): void {
    this.readyState = 1;
    this.onopen();
    this.say({ type: 'hello', protocol: 1, heartbeatMs });
  }

  say(message: object): void {
    this.onmessage({ data: JSON.stringify(message) });
  }
}
