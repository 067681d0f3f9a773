"""Whose devices are here."""

from __future__ import annotations

from maskline.app_devices import Devices


def test_a_users_devices_the_last_one_in_front() -> None:
    devices = Devices()
    for name in ("app_1", "app_2"):
        devices.learn(name, "u-1")
        devices.changed(name, registered=True)
    assert devices.of("u-1") == ("app_2", "app_1")
    devices.changed("app_2", registered=False)
    assert devices.of("u-1") == ("app_1",)
    assert devices.registered(["app_1", "app_2"]) == {"app_1"}
    assert devices.of("u-2") == ()


def test_a_device_found_by_stock_counts_once_its_owner_is_known() -> None:
    devices = Devices()
    came: list[tuple[str, str]] = []
    devices.when_registered(lambda *one: came.append(one))
    devices.changed("app_1", registered=True)
    devices.came("app_1")
    assert devices.unowned() == ("app_1",)
    assert came == []
    devices.learn("app_1", "u-1")
    devices.learn("app_1", "u-1")
    assert devices.unowned() == ()
    assert devices.of("u-1") == ("app_1",)
    assert came == [("u-1", "app_1")]


def test_one_that_comes_again_from_elsewhere_is_told_of_again() -> None:
    devices = Devices()
    came: list[tuple[str, str]] = []
    devices.when_registered(lambda *one: came.append(one))
    devices.learn("app_1", "u-1")
    devices.changed("app_1", registered=True)
    devices.came("app_1")
    devices.came("app_1")
    assert came == [("u-1", "app_1")] * 2
    assert devices.of("u-1") == ("app_1",)


def test_one_whose_time_is_over_is_nobodys() -> None:
    devices = Devices()
    devices.learn("app_1", "u-1")
    devices.changed("app_1", registered=True)
    devices.forget("app_1")
    assert devices.of("u-1") == ()
    assert len(devices) == 0
    devices.changed("app_1", registered=True)
    assert devices.unowned() == ("app_1",)
