import { newSecret, sha256, type RandomBytes } from './secrets.ts';

/** Tickets for a stream: a browser can give a WebSocket no header, and a token in an address ends up in logs, where a ticket is spent already. In memory: a restart ends the stream too. */

export const TICKET_MS = 30_000;
/** Waiting at once; the oldest go. */
const TICKETS_MAX = 20_000;

interface Ticket {
  userId: string;
  sessionId: string | null;
  expiresAt: number;
}

export class StreamTickets {
  private readonly tickets = new Map<string, Ticket>();
  private readonly random: RandomBytes;

  constructor(random: RandomBytes) {
    this.random = random;
  }

  make(userId: string, sessionId: string | null, nowMs: number): { ticket: string; expiresAt: number } {
    const ticket = newSecret('segt_', this.random);
    const expiresAt = nowMs + TICKET_MS;
    this.tickets.set(sha256(ticket), { userId, sessionId, expiresAt });
    if (this.tickets.size > TICKETS_MAX) this.tickets.delete(this.tickets.keys().next().value!);
    return { ticket, expiresAt };
  }

  /** Whose it was; null: nobody's, or spent, or too old. */
  spend(ticket: string, nowMs: number): Omit<Ticket, 'expiresAt'> | null {
    const hash = sha256(ticket);
    const found = this.tickets.get(hash);
    this.tickets.delete(hash);
    return found === undefined || found.expiresAt <= nowMs ? null : found;
  }
}
