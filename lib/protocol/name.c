// SPDX-License-Identifier: Apache-2.0
/* Names and topics. */
#include <kapu/protocol.h>

#include <string.h>

#define NAME_BYTES (PROTOCOL_NAME_LENGTH / 2)
#define TYPE_BYTES 1u /* of a UEID, before what is named */

static const struct {
    const char *before, *after; /* the name */
    enum protocol_place place;
    enum protocol_direction direction;
} topics[] = {
    {"kapu/1/", "/request", PROTOCOL_ENROLLED, PROTOCOL_REQUEST},
    {"kapu/1/", "/reply", PROTOCOL_ENROLLED, PROTOCOL_REPLY},
    {"kapu/1/enrol/", "/request", PROTOCOL_ENROLMENT, PROTOCOL_REQUEST},
    {"kapu/1/enrol/", "/reply", PROTOCOL_ENROLMENT, PROTOCOL_REPLY},
};

#define TOPICS (sizeof(topics) / sizeof(topics[0]))

/* The library may call memory functions only. */
static size_t length(const char *text, size_t most)
{
    size_t n = 0;

    while (n < most && text[n] != '\0')
        n++;
    return n;
}

void protocol_name(const uint8_t ueid[EVIDENCE_UEID_SIZE], char name[PROTOCOL_NAME_SIZE])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < NAME_BYTES; i++) {
        name[2 * i] = digits[ueid[TYPE_BYTES + i] >> 4];
        name[2 * i + 1] = digits[ueid[TYPE_BYTES + i] & 0xf];
    }
    name[PROTOCOL_NAME_LENGTH] = '\0';
}

bool protocol_name_is_valid(const char *name)
{
    for (size_t i = 0; i < PROTOCOL_NAME_LENGTH; i++) {
        if (!(name[i] >= '0' && name[i] <= '9') && !(name[i] >= 'a' && name[i] <= 'f'))
            return false;
    }
    return name[PROTOCOL_NAME_LENGTH] == '\0';
}

static void append(char topic[PROTOCOL_TOPIC_SIZE], const char *text)
{
    size_t at = length(topic, PROTOCOL_TOPIC_SIZE);
    size_t n = length(text, PROTOCOL_TOPIC_SIZE - 1 - at);

    memcpy(topic + at, text, n);
    topic[at + n] = '\0';
}

void protocol_topic(enum protocol_place place, const char *name, enum protocol_direction direction,
                    char topic[PROTOCOL_TOPIC_SIZE])
{
    topic[0] = '\0';
    for (size_t i = 0; i < TOPICS; i++) {
        if (topics[i].place != place || topics[i].direction != direction)
            continue;
        append(topic, topics[i].before);
        append(topic, name);
        append(topic, topics[i].after);
    }
}

int protocol_topic_parse(const char *topic, enum protocol_place *place,
                         char name[PROTOCOL_NAME_SIZE], enum protocol_direction *direction)
{
    char same[PROTOCOL_TOPIC_SIZE];
    size_t n = length(topic, PROTOCOL_TOPIC_SIZE);

    for (size_t i = 0; i < TOPICS && n < PROTOCOL_TOPIC_SIZE; i++) {
        size_t at = length(topics[i].before, PROTOCOL_TOPIC_SIZE);

        if (n < at + PROTOCOL_NAME_LENGTH)
            continue;
        memcpy(name, topic + at, PROTOCOL_NAME_LENGTH);
        name[PROTOCOL_NAME_LENGTH] = '\0';
        if (!protocol_name_is_valid(name))
            continue;
        protocol_topic(topics[i].place, name, topics[i].direction, same);
        if (memcmp(topic, same, n + 1) != 0)
            continue;
        *place = topics[i].place;
        *direction = topics[i].direction;
        return 0;
    }
    return KAPU_EINVAL;
}
