// @ts-check
/** The little of Preact that the page uses, with templates instead of JSX: there is no build step. */
import htm from 'htm';
import { h, render } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';

export const html = htm.bind(h);
export { render, useEffect, useLayoutEffect, useMemo, useRef, useState };
