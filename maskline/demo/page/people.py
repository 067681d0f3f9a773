"""Who is on the demo page and what they talk about, in both languages. Values only.

The numbers are the demo's own: the page may show them, since it plays the carrier too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from masking.model import Language, Role

TRUNK = "demo-mobile"
POOL = "demo-page"
NUMBERS = tuple(f"+749511199{last}" for last in range(10, 18))
ROLES = (Role.BUYER, Role.SELLER)


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody with an app and a mobile."""

    role: Role
    names: Mapping[Language, str]
    rating: float
    phone: str  # E.164, at the demo's carrier

    @property
    def mobile(self) -> str:
        """Their subscription at the carrier."""
        return f"mobile-{self.role}"


ACTORS: Mapping[Role, Actor] = {
    Role.BUYER: Actor(Role.BUYER, {Language.EN: "Anna", Language.RU: "Анна"}, 4.9, "+79161234501"),
    Role.SELLER: Actor(
        Role.SELLER, {Language.EN: "Petr", Language.RU: "Пётр"}, 4.7, "+79267654301"
    ),
}
LISTING_ID = "L-2019"
TITLE = "Lada Vesta 2019"
PRICE = "890\N{NO-BREAK SPACE}000\N{NO-BREAK SPACE}₽"
DETAILS = {
    Language.EN: "68,000 km · manual · Moscow",
    Language.RU: "68 000 км · механика · Москва",
}
LINES: Mapping[Language, Mapping[Role, tuple[str, ...]]] = {
    Language.EN: {
        Role.BUYER: (
            "Hello! Is the car still for sale?",
            "Great. May I come and see it today?",
            "Thank you. See you then!",
        ),
        Role.SELLER: (
            "Hello! Yes, it is.",
            "Of course. Any time after six.",
            "See you. Goodbye!",
        ),
    },
    Language.RU: {
        Role.BUYER: (
            "Здравствуйте! Машина ещё продаётся?",
            "Отлично. Можно посмотреть её сегодня?",
            "Спасибо. До встречи!",
        ),
        Role.SELLER: (
            "Здравствуйте! Да, продаётся.",
            "Конечно. В любое время после шести.",
            "До встречи!",
        ),
    },
}
"""What they say to each other, in turns, the buyer first."""
