"""Which account an identity opens, on both databases; how an identity is proved is tested with a real provider."""

import pytest

from fairstall.labeling.permissions import Role
from fairstall.labeling.sessions import Sessions
from fairstall.labeling.single_sign_on import Identity, SingleSignOn
from fairstall.model.errors import Forbidden


def identity(name="mira", subject="1001", groups=("mods",), issuer="https://login.example") -> Identity:
    return Identity(issuer, subject, name, frozenset(groups))


@pytest.fixture
def sso(store) -> SingleSignOn:
    roles = {"leads": Role.SENIOR, "mods": Role.MODERATOR}
    return SingleSignOn(store.engine, store.clock, roles=roles, new_users=True)


def test_an_identity_opens_its_own_account_with_the_role_of_today(store, sso):
    made = sso.log_in(identity())
    token = Sessions(store.engine, store.clock).open(made)
    again = sso.log_in(identity(name="renamed", groups=("mods", "leads")))
    assert (again.user_id, again.name, again.role, again.single_sign_on) == (made.user_id, "mira", Role.SENIOR, True)
    assert Sessions(store.engine, store.clock).find(token) is None


def test_an_account_that_waits_is_linked_to_the_first_that_has_its_name(store, sso):
    waiting = store.accounts.admit("mira", Role.MODERATOR)
    assert sso.log_in(identity()).user_id == waiting.user_id
    for other in (identity(subject="2002"), identity(issuer="https://other.example")):
        with pytest.raises(Forbidden, match="another way in"):
            sso.log_in(other)


def test_somebody_without_a_role_loses_his_sessions_and_keeps_his_account(store, sso):
    token = Sessions(store.engine, store.clock).open(sso.log_in(identity()))
    with pytest.raises(Forbidden, match="has a role here"):
        sso.log_in(identity(groups=()))
    assert Sessions(store.engine, store.clock).find(token) is None
    assert store.accounts.get("mira").linked


def test_a_password_takes_the_place_of_single_sign_on_and_the_other_way_round(store, sso):
    sso.log_in(identity())
    invitation = store.accounts.reset_password("mira")
    assert not store.accounts.log_in("mira", invitation.password).single_sign_on
    with pytest.raises(Forbidden, match="another way in"):
        sso.log_in(identity())
    store.accounts.use_single_sign_on("mira")
    assert sso.log_in(identity()).single_sign_on
