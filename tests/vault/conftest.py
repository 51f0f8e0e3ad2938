"""The vault's tables must be known before the storage fixture makes the database."""

from yunhe.custody import store as custody_store
from yunhe.vault import store as vault_store

assert custody_store
assert vault_store
