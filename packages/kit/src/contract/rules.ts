import { type DescMessage, getOption, hasOption } from '@bufbuild/protobuf';
import type { MethodRule } from '@caas/proto/caas/common/v1/options';
import { descriptors } from '@caas/proto/descriptor';
import { limitsOf } from './limits.ts';
import { extension } from './options.ts';

/** What the contract says of a method. */
export interface MethodPolicy {
  /** `package.Service/Method`, for logs and details. */
  readonly name: string;
  readonly rule: MethodRule;
  /** Throws INVALID_ARGUMENT for a request outside the limits of its fields. */
  readonly checkLimits: (request: object) => void;
  /** True when the request has a field `claims` of caas.common.v1.Claims. */
  readonly carriesClaims: boolean;
}

const carriesClaims = (input: DescMessage): boolean =>
  input.fields.some((field) => field.name === 'claims' && field.message?.typeName === 'caas.common.v1.Claims');

/** Policy of a method by its gRPC path (`/package.Service/Method`). A method without a rule is a fault of the contract. */
export const policyOf = (path: string): MethodPolicy => {
  const [, service = '', name = ''] = path.split('/');
  const method = descriptors()
    .getService(service)
    ?.methods.find((candidate) => candidate.name === name);
  if (!method) throw new TypeError(`the descriptor image has no method ${path}`);
  const option = extension('rule');
  if (!hasOption(method, option)) throw new TypeError(`method ${path} has no rule saying who may call it`);
  const rule = getOption(method, option) as unknown as MethodRule;
  if (rule.scope !== '' && rule.scope !== 'operator' && !carriesClaims(method.input)) {
    throw new TypeError(`method ${path} requires scope ${rule.scope} but its request carries no claims`);
  }
  return {
    name: path.slice(1),
    rule: { scope: rule.scope, callers: [...rule.callers], deadlineMs: rule.deadlineMs, idempotent: rule.idempotent },
    checkLimits: limitsOf(method.input.typeName),
    carriesClaims: carriesClaims(method.input),
  };
};
