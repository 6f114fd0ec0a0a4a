/** The value of a cookie in the header field Cookie; null: the request has none of that name. */
export function cookieOf(cookies: string, name: string): string | null {
  for (const part of cookies.split(';')) {
    const [found, value] = part.trim().split('=', 2);
    if (found === name && value !== undefined && value !== '') return value;
  }
  return null;
}
