"""Organisations, projects, members and their roles."""

from __future__ import annotations

from collections.abc import Iterator

from yunhe.client.addresses import at
from yunhe.client.floors.floor import Floor
from yunhe.client.wire import cities as towns
from yunhe.client.wire import identity as wire


class Identity(Floor):
    """Who acts, for whom, and as what."""

    def me(self) -> wire.Me:
        """Who this key acts for, and what it allows."""
        return self._http.get("/v1/me", wire.Me)

    def set_contact(self, sent: wire.Contact) -> wire.Member:
        """Set where one's own notices are mailed to."""
        return self._http.put("/v1/me/contact", wire.Member, sent)

    def organisations(self) -> Iterator[wire.Organisation]:
        """Organisations, by id: one's own, or all for those who may look so far."""
        return self._http.pages("/v1/organisations", wire.Organisation)

    def organisation(self, organisation: str) -> wire.Organisation:
        """One organisation."""
        path = at("/v1/organisations/{organisation}", organisation=organisation)
        return self._http.get(path, wire.Organisation)

    def add_organisation(self, sent: wire.NewOrganisation, *, key: str = "") -> wire.Organisation:
        """Add an organisation to the programme; by the operator."""
        return self._http.post("/v1/organisations", wire.Organisation, sent, key=key)

    def set_city(self, organisation: str, city: str) -> wire.Organisation:
        """Say which city an organisation belongs to; empty: the platform's own. By the operator."""
        path = at("/v1/organisations/{organisation}/city", organisation=organisation)
        return self._http.put(path, wire.Organisation, towns.GivenCity(city=city or None))

    def cities(self) -> Iterator[towns.City]:
        """Cities, by code, with what each weighs and had of late."""
        return self._http.pages("/v1/cities", towns.City)

    def put_city(self, city: str, name: str = "") -> towns.City:
        """Add a city, or rename it; by the operator."""
        path = at("/v1/cities/{city}", city=city)
        return self._http.put(path, towns.City, towns.NewCity(name=name))

    def remove_city(self, city: str) -> None:
        """Take away a city to which no organisation belongs; by the operator."""
        self._http.act("DELETE", at("/v1/cities/{city}", city=city))

    def projects(self) -> Iterator[wire.Project]:
        """Projects, by id."""
        return self._http.pages("/v1/projects", wire.Project)

    def add_project(self, sent: wire.NewProject, *, key: str = "") -> wire.Project:
        """Add a project to one's own organisation."""
        return self._http.post("/v1/projects", wire.Project, sent, key=key)

    def members(self) -> Iterator[wire.Member]:
        """Members, by id, ended ones too."""
        return self._http.pages("/v1/members", wire.Member)

    def member(self, member: str) -> wire.Member:
        """One member."""
        return self._http.get(at("/v1/members/{member}", member=member), wire.Member)

    def end_member(self, member: str) -> wire.Member:
        """End a membership: roles, keys and sessions go; again changes nothing."""
        return self._http.delete(at("/v1/members/{member}", member=member), wire.Member)

    def grant_role(self, member: str, sent: wire.GivenRole) -> wire.Member:
        """Give a member a role, unless it keeps duties apart; again changes nothing."""
        path = at("/v1/members/{member}/roles", member=member)
        return self._http.post(path, wire.Member, sent)

    def revoke_role(self, member: str, role: wire.Role, *, project: str = "") -> wire.Member:
        """Take a role away, at once for every key and session; again changes nothing."""
        path = at("/v1/members/{member}/roles/{role}", member=member, role=role)
        return self._http.delete(path, wire.Member, {"project": project or None})

    def add_service_account(self, sent: wire.NewServiceAccount, *, key: str = "") -> wire.Member:
        """Add a program that acts for one's own organisation."""
        return self._http.post("/v1/service-accounts", wire.Member, sent, key=key)
