/** What `navigator.userAgentData` says, as far as this page asks (WICG User-Agent Client Hints). */
interface AgentData {
  getHighEntropyValues(hints: string[]): Promise<{
    fullVersionList?: { brand: string; version: string }[];
    platform?: string;
    platformVersion?: string;
    architecture?: string;
    bitness?: string;
  }>;
}

const HINTS = ['fullVersionList', 'platformVersion', 'architecture', 'bitness'];

/** The browser's full version and its system: the user agent string gives neither. It comes back as it is where nothing better is. */
export async function browserName(agent: { userAgent: string; userAgentData?: AgentData }): Promise<string> {
  const data = await agent.userAgentData?.getHighEntropyValues(HINTS).catch(() => undefined);
  // Browsers add a brand that does not exist, so that nobody relies on a list of two.
  const brands = data?.fullVersionList?.filter(({ brand }) => !/not.*brand/i.test(brand));
  if (!data || !brands?.length) return agent.userAgent;
  const system = [data.platform, data.platformVersion, data.architecture, data.bitness && `${data.bitness} bit`];
  const names = brands.map(({ brand, version }) => `${brand} ${version}`).join(', ');
  return `${names}; ${system.filter(Boolean).join(' ')}`;
}
