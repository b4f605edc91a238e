"""The admin API (docs/ADMIN.md): one method for each call of its OpenAPI document, sync and async."""

from .answers import TenantConfig
from .clients import AdminClient, AsyncAdminClient
from .problem import AdminError

__all__ = ["AdminClient", "AdminError", "AsyncAdminClient", "TenantConfig"]
