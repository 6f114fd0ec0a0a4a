"""
What Schemathesis cannot know of this API, because no JSON Schema can say it. A request that is right by the schemas and is refused all the same counts as a finding, unless every fault that the answer names is one of these rules: they
need two fields at once, the clock, or a list that lives elsewhere. Each is in the words of the answer, so a refusal for another reason, or without one, is found.
"""

import json
import re

import schemathesis
from schemathesis.specs.openapi.checks import AcceptedNegativeData, RejectedPositiveData, negative_data_rejection, positive_data_acceptance

RULES = [
    # Opaque, and good for its own list alone.
    r"^not a nextCursor of this list",
    # Two moments or days, of which one is before the other and not too far from it, or before or after now.
    r"^(must be (earlier|later) than|must be a day after|expected (a time|a day|a date of|now or later|\d+ (days|months|hours|minutes)|1970 or later))",
    r"^lies in the future",
    # The database of time zones and the registry of languages.
    r"^expected a (time zone|language) such as",
    # One of several fields has to be there, or their sum has a bound.
    r"^expected (at least one|meters or a region|none: only|endsAt, comment or both|\d+ meters at most, in all|each)",
    r"^named twice",
]
# A key that came with another request before; what a body names and is not there; and a tariff, which is judged as a whole: that every minute has one price, and what is named is there (docs/TARIFFS.md).
CODES = {"idempotency_key_reused", "unknown_alert", "unknown_tariff", "unknown_meter", "unknown_contact", "invalid_tariff"}


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
        if is_by_rule(response):
            return None
        raise


@schemathesis.check
def refused_where_it_can_be_seen(ctx, response, case):
    try:
        return negative_data_rejection(ctx, response, case)
    except AcceptedNegativeData:
        # uWebSockets takes bytes of more than seven bits at the ends of a field for space: what is made of those alone comes as an empty one, which is none.
        if_match = next((value for name, value in (case.headers or {}).items() if name.lower() == "if-match"), None)
        if isinstance(if_match, str) and if_match != "" and not re.search(r"[!-~]", if_match):
            return None
        raise
