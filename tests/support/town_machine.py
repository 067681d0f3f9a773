"""Calls in the random life of a town (`tests.support.town_life`), judged by `tests.support.town`.

People call, late or not, bring listings new callers, and type digits, right or wrong.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule
from sqlalchemy import func, select

from masking.load import TrunkLoads
from masking.model import Phone
from masking.plan import Asked, Decision, Offer, Plan, Prompt, Question
from storage.schema import leases
from tests.support.storage import TRUNK
from tests.support.town import Way
from tests.support.town_life import ALL, NUMBERS, TownLife

_MOST_QUESTIONS = 8


class TownMachine(TownLife):
    """Subclass it with the `url` of a migrated database and take its TestCase."""

    @rule(number=st.sampled_from(NUMBERS), caller=st.sampled_from((*ALL, None)), data=st.data())
    def call(self, number: Phone, caller: Phone | None, data: st.DataObject) -> None:
        if number in NUMBERS[: self.size]:
            self._call(number, caller, data)

    @precondition(lambda self: self.town.ways)
    @rule(data=st.data())
    def call_as_once_promised(self, data: st.DataObject) -> None:
        way = data.draw(st.sampled_from(self.town.ways))
        self._call(Phone(way.place[0]), Phone(way.phone), data)

    @precondition(lambda self: self.town.shops)
    @rule(data=st.data(), caller=st.sampled_from(ALL))
    def call_a_listing(self, data: st.DataObject, caller: Phone) -> None:
        wanted = data.draw(st.sampled_from(sorted(self.town.shops)))
        number, _ = data.draw(st.sampled_from(sorted(self.town.shops[wanted].hidden) or [("", "")]))
        if number:
            self._call(Phone(number), caller, data)

    def _call(self, number: Phone, caller: Phone | None, data: st.DataObject) -> None:
        asked: Asked | None = None
        digits: str | None = None
        for _ in range(_MOST_QUESTIONS):
            decision = self._decide(number, caller, asked, digits)
            if asked is None:
                self._judge_the_first(decision, number, caller)
            if not isinstance(decision, Prompt):
                break
            asked = decision.asked
            digits = data.draw(st.sampled_from(self._typed(number, asked)))
        else:
            raise AssertionError("asked for ever")
        if isinstance(decision, Plan):
            self._judge(decision, number, caller, asked, digits or "")

    def _typed(self, number: Phone, asked: Asked) -> list[str]:
        """What somebody may type: something that leads somewhere, something wrong, nothing."""
        match asked.question:
            case Question.PIN:
                pins = {way.pin for way in self.town.ways if way.place[0] == number and way.pin}
                return ["", "0000", *sorted(pins)]
            case Question.EXTENSION:
                places = {way.place for way in self.town.ways}
                places |= {place for shop in self.town.shops.values() for place in shop.hidden}
                return ["", "77", *sorted({ext for n, ext in places if n == number and ext})]
            case Question.WHICH | Question.LISTING:
                return ["", "1", "2", "3"]

    def _judge_the_first(self, decision: Decision, number: Phone, caller: Phone | None) -> None:
        """Nothing was typed yet: put through only where nothing else can be meant."""
        if caller is None:
            assert not isinstance(decision, Plan)
            return
        mine = self.town.mine(number, caller, self.now)
        shop = self.town.shop_at((number, ""), self.now)
        if shop is not None and self.town.shops[shop].seller == caller:
            shop = None
        shares = any(
            place[0] == number and place[1] and self.town.shop_at(place, self.now) is not None
            for one in self.town.shops.values()
            for place in one.hidden
        )
        sure = [way for way in mine if way.sure]
        # Also digits that nothing is reached by any more are asked for: they may be late for that.
        by_digits = any(
            way.place[0] == number and way.place[1] and way.phone == caller
            for way in self.town.ways
            if self.town.binds(way, self.now)
        )
        if len(mine) == len(sure) == 1 and not by_digits and shop is None and not shares:
            assert isinstance(decision, Plan), "a promise was not kept"
        if isinstance(decision, Plan):
            assert len({way.session for way in sure}) < 2, "guessed between two"
            for way in sure:
                assert not way.place[1], "digits were not asked for"
                assert shop is None or not self.town.leads_elsewhere(way, shop), "guessed"

    def _judge(
        self, plan: Plan, number: Phone, caller: Phone | None, asked: Asked | None, typed: str
    ) -> None:
        """Somebody is rung: one whom this caller was promised by what they dialled and typed."""
        town, now = self.town, self.now
        rung = {step.dial for attempt in plan.attempts for step in attempt.steps}
        assert len(rung) == 1
        (other,) = rung
        assert other != caller, "rang the caller"
        assert plan.session_id is not None
        place = (number, "" if asked is None else asked.extension)
        if asked is not None and asked.question is Question.EXTENSION:
            place = (number, typed)
        if asked is not None and asked.question is Question.PIN:
            ways = town.own(number, typed, now)
            if caller is not None:
                enrolled = [way for way in ways if way.session == plan.session_id]
                town.ways += [
                    Way(way.session, caller, (number, ""), way.other, way.shown, sure=False)
                    for way in enrolled
                ]
        else:
            ways = [way for way in town.mine(number, caller or "", now) if way.place == place]
        to_listing = asked is not None and (
            (asked.question is Question.WHICH and typed == "2")
            or (asked.question is Question.LISTING and typed == "1")
        )
        meant = [way for way in ways if way.session == plan.session_id]
        shop = town.shop_at(place, now)
        if meant and not to_listing:
            assert {way.other for way in meant} == {other}, "the wrong person"
            assert {way.shown for way in meant} == {plan.number_out}
            for way in [way for way in meant if way.until is not None]:
                town.used_up(way)
            return
        assert shop is not None, "nobody was promised here"
        assert town.shops[shop].seller == other, "the wrong seller"
        self._learn_link(plan.session_id, shop, place, caller)
        shown = {
            way.shown for way in town.ways if (way.session, way.phone) == (plan.session_id, caller)
        }
        assert plan.number_out in shown

    def _learn_link(
        self, session: str, shop: str, place: tuple[Phone, str], caller: Phone | None
    ) -> None:
        assert caller is not None, "cannot be called back"
        found = self._get(session)
        if session not in self.town.spans:
            phones = [one.phone for one in found.participants if one.phone is not None]
            self._learn_of_recycled(
                [one for one in phones if len(self.town.held(one, self.now)) == self.size]
            )
            # Places that cool for the caller may have given way to it.
            self.town.ways = [
                one
                for one in self.town.ways
                if one.phone != caller or one.place != place or self.town.carries(one, self.now)
            ]
            self._learn(found, shop)
            return
        assert self.town.live(session, self.now), "an earlier link that is over"
        own = next(
            w for w in self.town.ways if (w.session, w.phone) == (session, caller) and w.sure
        )
        self.town.ways.append(Way(session, caller, place, own.other, own.shown, sure=False))
        self.town.of_shop[session] = shop

    @invariant()
    def nobody_is_reached_over_what_is_over(self) -> None:
        """The first answer to a late caller is never a call to the one they used to reach."""
        for way in self.town.ways[-12:]:
            other = {one.session for one in self.town.mine(way.place[0], way.phone, self.now)}
            if not self.town.carries(way, self.now) and way.session not in other:
                decision = self._peek(Phone(way.place[0]), Phone(way.phone))
                if isinstance(decision, Plan):
                    assert decision.session_id != way.session

    @invariant()
    def no_place_is_given_to_two(self) -> None:
        key = (leases.c.number_id, leases.c.phone_index, leases.c.extension)
        query = select(func.count()).where(leases.c.active).group_by(*key)
        found = self.runner.run(self.db.read(lambda conn: conn.execute(query).scalars().all()))
        assert set(found) <= {1}

    def _decide(
        self, number: Phone, caller: Phone | None, asked: Asked | None, digits: str | None
    ) -> Decision:
        offer = Offer("cal_1", "n1", "PJSIP/x", TRUNK.name, number, caller, self.now, asked, digits)
        return self.runner.run(self.routes.decide(offer, TrunkLoads()))

    def _peek(self, number: Phone, caller: Phone) -> Decision | None:
        """What is decided where nothing has to be written for it."""
        offer = Offer("cal_1", "n1", "PJSIP/x", TRUNK.name, number, caller, self.now)

        async def look() -> Decision | None:
            return self.routes.decide_at_once(offer, TrunkLoads())

        return self.runner.run(look())
