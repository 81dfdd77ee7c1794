"""`quorlite.django`, and which of Django's own tests do not pass on it."""

import pathlib

from django.utils.functional import cached_property

from quorlite.django import base, features

KNOWN = pathlib.Path(__file__).parents[1] / "known_failures.txt"


class DatabaseFeatures(features.DatabaseFeatures):
    django_test_expected_failures = {
        *features.DatabaseFeatures.django_test_expected_failures,
        *(line for line in KNOWN.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"),
    }

    @cached_property
    def django_test_skips(self):
        return {
            **super().django_test_skips,
            "It measures Python's time, which other work on the machine takes.": {
                "serializers.test_deserialization.TestDeserializer.test_crafted_xml_performance",
            },
        }


class DatabaseWrapper(base.DatabaseWrapper):
    features_class = DatabaseFeatures
