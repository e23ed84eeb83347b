export { type Compliance, type CompliancePorts, createCompliance } from './app.ts';
export { auditGroup } from './audit/consumer.ts';
export { type ComplianceConfig, complianceConfig } from './config.ts';
export { type PrivacyClients, privacyClients } from './privacy/clients.ts';
