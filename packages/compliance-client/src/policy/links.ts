import type { LinkRule } from '@caas/proto/caas/compliance/v1/policy_service';
import type { Span } from './verdict.ts';

/*
 * Links in folded text. With a scheme or www. whatever follows is one; a bare name is one when it ends in a domain that is
 * in wide use, or has a path: "example.com" and "example.dev/x", not "and.so on".
 */

const endings =
  'com|net|org|info|biz|edu|gov|app|dev|xyz|top|site|online|shop|club|live|link|click|page|store|tech|icu|vip|work|cloud|fun|space|website|pro|blog|mobi|name|jobs|asia|xn--[a-z0-9-]+|ac|ad|ae|af|ag|ai|al|am|ar|at|au|az|ba|bd|be|bg|bh|bo|br|by|bz|ca|cc|ch|ci|cl|cm|cn|co|cr|cu|cy|cz|de|dk|do|dz|ec|ee|eg|es|et|eu|fi|fm|fr|ga|ge|gg|gh|gl|gq|gr|gt|hk|hn|hr|ht|hu|id|ie|il|im|in|io|iq|ir|is|it|je|jo|jp|ke|kg|kh|kr|kw|kz|la|lb|li|lk|lt|lu|lv|ly|ma|mc|md|me|mg|mk|ml|mm|mn|mo|mt|mx|my|mz|na|ng|ni|nl|no|np|nu|nz|om|pa|pe|ph|pk|pl|pr|ps|pt|pw|py|qa|ro|rs|ru|rw|sa|sc|sd|se|sg|sh|si|sk|sn|so|st|su|sv|sy|tg|th|tk|tl|tn|to|tr|tt|tv|tw|tz|ua|ug|uk|us|uy|uz|ve|vg|vn|ws|za|zm|zw';
const label = '[\\p{L}\\p{N}](?:[\\p{L}\\p{N}\\p{M}-]{0,61}[\\p{L}\\p{N}\\p{M}])?';
/** The ideographic one ends sentences too, in texts where no letter of a name is Latin. */
const dot = '(?:\\.|(?<=[a-z0-9])\\u3002(?=[a-z0-9]))';
const rest = '[^\\s<>"\']{0,2048}';
const candidate = new RegExp(
  `(?<![\\p{L}\\p{N}])(?:[a-z][a-z0-9+-]{1,20}:[/\\\\]{1,2}|//|www\\.)${rest}` +
    `|(?<![\\p{L}\\p{N}@.-])(?:${label}${dot}){1,6}(?:(?:${endings})(?![\\p{L}\\p{N}-])(?:[:/?#\\\\]${rest})?|\\p{L}[\\p{L}\\p{M}]{1,23}[/\\\\]${rest})`,
  'gu',
);
const likely = /[.\u3002][\p{L}\p{N}]|:[/\\]|[/\\]{2}/u;
const trailing = /[.,;:!?)\]}]+$/;

/** The host a browser would go to, in ASCII; '' when it would go nowhere. */
export const hostOf = (link: string): string => {
  const scheme = /^[a-z][a-z0-9+-]*:/.exec(link)?.[0];
  // Every scheme reads its authority as http does; others than the web's would be left as they are.
  const address = scheme ? link.slice(scheme.length) : link;
  const host = URL.parse(`http://${address.replace(/^[/\\]+/, '')}`)?.hostname ?? '';
  return host.replace(/\.+$/, '');
};

const isIn = (host: string, domains: ReadonlySet<string>): boolean => {
  for (let at = 0; at >= 0; ) {
    if (domains.has(host.slice(at))) return true;
    const dot = host.indexOf('.', at);
    at = dot < 0 ? -1 : dot + 1;
  }
  return false;
};

/** A domain of a rule as hosts are compared; '' when it is none. */
export const domainOf = (written: string): string => {
  const name = written.trim().toLowerCase();
  if (/[/\\@:?#\s]/.test(name)) return '';
  return hostOf(name);
};

/** Finds links that a rule does not let through. */
export const linksAgainst = ({ allowedDomains, deniedDomains }: LinkRule): ((text: string) => Span[]) => {
  const [let_, deny] = [new Set(allowedDomains.map(domainOf)), new Set(deniedDomains.map(domainOf))];
  const met = (host: string): boolean => {
    if (isIn(host, deny)) return true;
    return let_.size > 0 ? !isIn(host, let_) : deny.size === 0;
  };
  return (text) => {
    if (!likely.test(text)) return [];
    const spans: Span[] = [];
    for (const { 0: found, index } of text.matchAll(candidate)) {
      const link = found.replace(trailing, '');
      if (met(hostOf(link))) spans.push({ start: index, end: index + link.length });
    }
    return spans;
  };
};
