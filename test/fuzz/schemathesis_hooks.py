"""
What Schemathesis cannot know of this API. A request that is right by the schemas and is refused all the same counts as a finding, unless every fault that the answer names is one of these rules: they are about two fields at once, the
clock, or a list that lives elsewhere, where a JSON Schema is about one value. Each is in the words of the answer, so a refusal for another reason, or without one, is found.
"""

import json
import os
import re

import schemathesis
from schemathesis.specs.openapi.checks import (
    AcceptedNegativeData,
    RejectedPositiveData,
    UnsupportedMethodResponse,
    UseAfterFree,
    negative_data_rejection,
    positive_data_acceptance,
    unsupported_method,
    use_after_free,
)

RULES = [
    # Opaque, and good for its own list alone.
    r"^not a nextCursor of this list",
    # Two moments or days, of which one is before the other and not too far from it, or before or after now; the one that is not named has a default.
    r'^no quarter-hour begins between "from" and "to"$',
    r'^must be (earlier than|later than|after|a day after|\d+ days after) "(from|to)"',
    r"^expected (a|\d+) (time|day|days|month|months|year) (that is not )?(after|before|from) ",
    r"^expected (now or later|19(70|72) or later)",
    r"^lies in the future",
    # A number and its unit in one text.
    r"^expected a year at most$",
    # Of two days or numbers one is not before, or above, the other.
    r"^It was installed on \d{4}-\d\d-\d\d, and cannot have been removed before\.$",
    r"^expected at most (sharePercent|abovePercent), or the alert would open and close at once$",
    # What was never installed was not removed.
    r"(?i)^a meter that was never installed cannot have been removed\.$",
    # The database of time zones, the registry of languages, and what is a URL by the WHATWG.
    r"^expected a (time zone|language) such as",
    r"^expected an https URL \(http to this machine alone\)",
    # One of several fields has to be there, or not with another, or their sum has a bound.
    r"^expected (at least one list that is not empty|meters or a region|none: only|endsAt, comment or both|\d+ meters at most, in all)",
    # Of things in a list one field, or what it means with its default, is not the same twice; and what one names is in another list.
    r"^(expected each tariff once|there is another of the name |there is no escalation of the name )",
]
# A token of a mail that never was, a password that everybody has, and what goes with which role. A key that came with another request before; two days that are too far from each other; what a body names and is not there; and a tariff, which is judged as a whole: that every minute has one price, and what is named is there (docs/TARIFFS.md).
# An amount of money has the decimal places of its invoice's currency.
CODES = {"bad_amount", "invalid_link", "bad_password", "bad_access", "idempotency_key_reused", "unknown_alert", "unknown_tariff", "unknown_meter", "unknown_contact", "unknown_region", "period_too_long", "invalid_tariff"}


def is_by_rule(response) -> bool:
    try:
        document = json.loads(response.content)
    except ValueError:
        return False
    faults = document.get("faults") or []
    return document.get("code") in CODES or (faults != [] and all(any(re.search(rule, fault["message"]) for rule in RULES) for fault in faults))


@schemathesis.check
def accepted_or_refused_by_a_rule(ctx, response, case):
    try:
        return positive_data_acceptance(ctx, response, case)
    except RejectedPositiveData:
        if is_by_rule(response) or is_too_long(response):
            return None
        raise


@schemathesis.check
def only_the_methods_there_are(ctx, response, case):
    try:
        return unsupported_method(ctx, response, case)
    except UnsupportedMethodResponse:
        if is_too_long(response):
            return None
        raise


def is_too_long(response) -> bool:
    # Parameters that are each as long as they may be are together longer than any head.
    return response.status_code == 431


@schemathesis.check
def refused_where_it_can_be_seen(ctx, response, case):
    try:
        return negative_data_rejection(ctx, response, case)
    except AcceptedNegativeData as found:
        # A refusal that Schemathesis does not count as one.
        if is_too_long(response):
            return None
        # uWebSockets takes bytes of more than seven bits at the ends of a field for space: what is made of those alone comes as an empty one, which is none.
        if any(f"`{name.lower()}` in header" in found.message.lower() and is_empty_there(value) for name, value in (case.headers or {}).items() if name.lower() in {"if-match", "idempotency-key"}):
            return None
        raise


def is_empty_there(value) -> bool:
    return isinstance(value, str) and value != "" and not re.search(r"[!-~]", value)


@schemathesis.check
def gone_or_ended(ctx, response, case):
    try:
        return use_after_free(ctx, response, case)
    except UseAfterFree as found:
        # DELETE of a silence, a price or a comparison ends it and answers with the record, which stays and says so.
        if says_that_it_ended(ctx.internals.find_response(case_id=found.deleted_case_id)):
            return None
        raise


def says_that_it_ended(response) -> bool:
    try:
        document = json.loads(response.content)
    except ValueError:
        return False
    return response.status_code == 200 and isinstance(document, dict) and (document.get("state") == "ended" or isinstance(document.get("endedAt"), str))


@schemathesis.hook
def before_call(context, case, kwargs):
    # Who asks may not lock themselves out: all that came after would be refused, and nothing found.
    if case.method != "GET" and (case.path_parameters or {}).get("id") in os.environ.get("SEG_ASKING", "").split(","):
        case.path_parameters["id"] = "somebody-else"
