/** `npm run infra` starts no vault: these run against the one that VAULT_URL and VAULT_TOKEN name, with transit at transit/. */
import { keyVaultContract } from './contract.ts';
import { openTransitKeyVault } from './transit-key-vault.ts';

const { VAULT_URL: url = '', VAULT_TOKEN: token = '' } = process.env;

keyVaultContract('a vault', async () => {
  const key = `test_${process.pid}_${Date.now().toString(36)}`;
  const open = () => openTransitKeyVault({ url, token, key });
  const vault = await open();
  return {
    vault,
    another: open,
    reopen: async () => {
      await vault.close();
      return open();
    },
  };
});
