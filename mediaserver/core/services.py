"""One provider per contract: how plugins use each other without importing each other."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from mediaserver.errors import StartError

T = TypeVar("T")


class Services:
    def __init__(self) -> None:
        self._providers: dict[type, tuple[str, Any]] = {}

    def provide(self, contract: type[T], provider: T, plugin: str) -> None:
        """Raises StartError where the contract has a provider already."""
        if contract in self._providers:
            taken, _ = self._providers[contract]
            raise StartError(f"{contract.__name__} is provided by {taken} and by {plugin}; switch one of them off.")
        self._providers[contract] = (plugin, provider)

    def withdraw(self, plugin: str) -> None:
        self._providers = {key: value for key, value in self._providers.items() if value[0] != plugin}

    def get(self, contract: type[T]) -> T:
        found = self.find(contract)
        if found is None:
            raise StartError(f"No plugin provides {contract.__name__}; switch one on in config.yaml.")
        return found

    def find(self, contract: type[T]) -> T | None:
        entry = self._providers.get(contract)
        return None if entry is None else cast("T", entry[1])

    def provider_of(self, contract: type) -> str | None:
        entry = self._providers.get(contract)
        return entry[0] if entry else None


class PluginServices:
    """What one plugin sees of the services: only what it declared, so that load order can be trusted."""

    def __init__(self, services: Services, plugin: str, requires: tuple[type, ...], optional: tuple[type, ...]) -> None:
        self._services = services
        self._plugin = plugin
        self._requires = frozenset(requires)
        self._optional = frozenset(optional)

    def get(self, contract: type[T]) -> T:
        if contract not in self._requires and self._services.provider_of(contract) != "core":
            raise StartError(f"{self._plugin} asks for {contract.__name__} but does not name it in `requires`.")
        return self._services.get(contract)

    def find(self, contract: type[T]) -> T | None:
        if contract not in self._requires | self._optional and self._services.provider_of(contract) != "core":
            raise StartError(f"{self._plugin} looks for {contract.__name__} but does not name it in `optional`.")
        return self._services.find(contract)
