import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { until } from './server';

/** The page in a window of its own, and what went wrong in it. */
export interface OpenPage {
  page: Page;
  /** Errors, warnings, violations of the content security policy, requests to anywhere else. */
  troubles: string[];
}

export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<OpenPage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  const troubles: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) troubles.push(message.text());
  });
  page.on('pageerror', (error) => troubles.push(String(error)));
  page.on('request', (request) => {
    if (!request.url().startsWith(`${url}/`)) troubles.push(`request to ${request.url()}`);
  });
  await page.addInitScript(
    "addEventListener('securitypolicyviolation', (e) => console.error('violates ' + e.violatedDirective))",
  );
  await page.goto(`${url}/`);
  return { page, troubles };
}

/** Waits until an expression is true in the page, whose policy does not let playwright's own way evaluate any. */
export async function holds(page: Page, expression: string): Promise<void> {
  await until(() => page.evaluate<boolean>(expression));
}

/** Waits until the server has told its models. */
export async function ready(page: Page): Promise<void> {
  await holds(page, "document.getElementById('model').options.length > 0");
}

/** Fills the form in: documents as JSON lines, so that any text is one. */
export async function fill(page: Page, query: string, documents: readonly string[]): Promise<void> {
  await page.fill('#query', query);
  await page.selectOption('#format', 'jsonl');
  await page.fill('#documents', documents.map((text) => JSON.stringify({ text })).join('\n'));
}

/** Runs what is filled in, and waits for both orders. */
export async function rank(page: Page): Promise<void> {
  await page.click('#run');
  await answered(page);
}

export async function answered(page: Page): Promise<void> {
  await holds(page, "/ranked in/.test(document.getElementById('status').textContent)");
}

/** Indexes of the documents of a list, from the top. */
export function orderOf(page: Page, list: 'first' | 'reranked'): Promise<number[]> {
  return page
    .locator(`#${list} .item`)
    .evaluateAll((items) =>
      items.map((item) => Number((item as unknown as { dataset: { index: string } }).dataset.index)),
    );
}
