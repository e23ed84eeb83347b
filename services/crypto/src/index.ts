export { type Crypto, type CryptoPorts, createCrypto } from './app.ts';
export { type CryptoConfig, cryptoConfig } from './config.ts';
