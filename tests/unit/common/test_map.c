/* The hash table against a list that cannot be wrong, with keys chosen to collide. */
#include "tests/unit/check.h"

#include "common/container.h"
#include "common/map.h"

#include <stdbool.h>
#include <stdio.h>

static uint64_t random_state;

/* xorshift64: the same numbers in every run, so that a failure can be repeated. */
static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Where a key stands when it is alone, in the smallest table. */
static size_t home_of(uint64_t key)
{
    struct map map = {0};
    size_t at = 0;
    map_put(&map, key, &map);
    while (map.slots[at].key != key)
        at++;
    map_fini(&map);
    return at;
}

/* `count` keys that all want the slot `home` of the smallest table; of larger tables they want few. */
static void colliding_keys(uint64_t *keys, size_t count, size_t home)
{
    uint64_t key = 0;
    for (size_t i = 0; i < count; i++) {
        do
            key++;
        while (home_of(key) != home);
        keys[i] = key;
    }
}

/* ---- the model ---- */

enum { MODEL_MAX = 600 };

struct model {
    uint64_t keys[MODEL_MAX];
    void *values[MODEL_MAX];
    size_t count;
};

static size_t model_find(const struct model *model, uint64_t key)
{
    size_t at = 0;
    while (at < model->count && model->keys[at] != key)
        at++;
    return at;
}

static void *model_get(const struct model *model, uint64_t key)
{
    size_t at = model_find(model, key);
    return at < model->count ? model->values[at] : NULL;
}

static void model_put(struct model *model, uint64_t key, void *value)
{
    size_t at = model_find(model, key);
    assert_true(at < MODEL_MAX);
    model->keys[at] = key;
    model->values[at] = value;
    model->count += at == model->count;
}

static void *model_take(struct model *model, uint64_t key)
{
    size_t at = model_find(model, key);
    if (at == model->count)
        return NULL;
    void *value = model->values[at];
    model->count--;
    model->keys[at] = model->keys[model->count];
    model->values[at] = model->values[model->count];
    return value;
}

/* Every entry is found, every visit is of an entry, and the table is neither crammed nor empty. */
static void check_same(const struct map *map, const struct model *model)
{
    size_t at = 0, visited = 0;
    assert_int_equal(map->count, model->count);
    for (size_t i = 0; i < model->count; i++)
        assert_ptr_equal(map_get(map, model->keys[i]), model->values[i]);
    for (void *value; (value = map_next(map, &at)); visited++)
        assert_ptr_equal(map_get(map, (uintptr_t)value), value); /* the values are their keys */
    assert_int_equal(visited, model->count);
    assert_int_equal(map->cap & (map->cap - 1), 0);
    assert_true(map->count <= map->cap / 4 * 3);
    assert_true(map->cap <= 8 || map->count >= map->cap / 8 - 1);
}

/* `turns` random operations over these keys. `grow` of 8 are puts: above 4 it fills, below it empties. */
static void churn(struct map *map, struct model *model, const uint64_t *keys, size_t count, size_t turns, unsigned grow)
{
    for (size_t turn = 0; turn < turns; turn++) {
        uint64_t key = keys[random_next() % count];
        void *value = (void *)(uintptr_t)key;
        if (random_next() % 8 < grow) {
            map_put(map, key, value);
            model_put(model, key, value);
        } else {
            assert_ptr_equal(map_take(map, key), model_take(model, key));
        }
        uint64_t asked = keys[random_next() % count];
        assert_ptr_equal(map_get(map, asked), model_get(model, asked));
        if (turn % 16 == 0)
            check_same(map, model);
    }
    check_same(map, model);
}

/* ---- the tests ---- */

static void an_empty_map_holds_nothing(void **state)
{
    (void)state;
    struct map map = {0};
    size_t at = 0;
    assert_null(map_get(&map, 1));
    assert_null(map_get(&map, 0));
    assert_null(map_take(&map, 1));
    assert_null(map_take(&map, 0));
    assert_null(map_next(&map, &at));
    map_fini(&map);
    map_put(&map, 1, &map);
    assert_ptr_equal(map_take(&map, 1), &map);
    assert_null(map_get(&map, 1));
    map_fini(&map);
    assert_null(map.slots);
    assert_int_equal(map.cap, 0);
}

static void a_key_has_one_value(void **state)
{
    (void)state;
    struct map map = {0};
    int first, second;
    map_put(&map, 5, &first);
    map_put(&map, 5, &second);
    assert_int_equal(map.count, 1);
    assert_ptr_equal(map_get(&map, 5), &second);
    assert_ptr_equal(map_take(&map, 5), &second);
    assert_null(map_take(&map, 5));
    assert_int_equal(map.count, 0);
    map_fini(&map);
}

static void zero_is_no_key(void **state)
{
    (void)state;
    struct map map = {0};
    map_put(&map, 1, &map);
    assert_null(map_get(&map, 0)); /* a free slot's key is 0: it must not be taken for an entry */
    assert_null(map_take(&map, 0));
    assert_int_equal(map.count, 1);
    map_fini(&map);
}

static void the_largest_keys_are_keys(void **state)
{
    (void)state;
    static const uint64_t keys[] = {1, UINT64_MAX, UINT64_C(1) << 63, (UINT64_C(1) << 63) + 1, INT64_MAX, UINT32_MAX};
    struct map map = {0};
    for (size_t i = 0; i < 6; i++)
        map_put(&map, keys[i], (void *)(uintptr_t)(i + 1));
    for (size_t i = 0; i < 6; i++)
        assert_int_equal((uintptr_t)map_get(&map, keys[i]), i + 1);
    map_fini(&map);
}

/* Six keys in one run of slots, which begins at the last one and so goes on at the first: whichever is
 * removed, and whichever after it, the others are found. */
static void removal_closes_the_hole(void **state)
{
    (void)state;
    uint64_t keys[6];
    for (size_t home = 0; home < 8; home++) {
        colliding_keys(keys, 4, home);
        colliding_keys(keys + 4, 2, (home + 1) % 8); /* pushed on by the four */
        for (unsigned order = 0; order < 36; order++) {
            struct map map = {0};
            for (size_t i = 0; i < 6; i++)
                map_put(&map, keys[i], &keys[i]);
            assert_int_equal(map.cap, 8);
            size_t gone = order / 6, next = order % 6;
            assert_ptr_equal(map_take(&map, keys[gone]), &keys[gone]);
            assert_ptr_equal(map_take(&map, keys[next]), next == gone ? NULL : &keys[next]);
            for (size_t i = 0; i < 6; i++)
                assert_ptr_equal(map_get(&map, keys[i]), i == gone || i == next ? NULL : &keys[i]);
            map_fini(&map);
        }
    }
}

static void it_does_as_a_list_does(void **state)
{
    (void)state;
    static const unsigned phases[] = {6, 4, 1, 5, 2, 7, 0};
    uint64_t keys[512];
    for (size_t i = 0; i < 512; i++)
        keys[i] = i + 1; /* as a database numbers its rows */
    for (random_state = 1; random_state < 4; random_state++) {
        uint64_t seed = random_state;
        struct map map = {0};
        static struct model model;
        model.count = 0;
        for (size_t i = 0; i < sizeof phases / sizeof phases[0]; i++)
            churn(&map, &model, keys, 512, 2000, phases[i]);
        map_fini(&map);
        random_state = seed;
    }
}

static void it_does_as_a_list_does_when_all_collide(void **state)
{
    (void)state;
    static const unsigned phases[] = {6, 4, 2, 5, 3, 0};
    static struct model model;
    uint64_t keys[96];
    struct map map = {0};
    colliding_keys(keys, 96, 7);
    random_state = 42;
    for (size_t i = 0; i < sizeof phases / sizeof phases[0]; i++)
        churn(&map, &model, keys, 96, 3000, phases[i]);
    map_fini(&map);
}

static void an_emptied_table_gives_memory_back(void **state)
{
    (void)state;
    struct map map = {0};
    for (uint64_t key = 1; key <= 100000; key++)
        map_put(&map, key, &map);
    assert_true(map.cap >= 131072);
    for (uint64_t key = 1; key <= 100000; key++) {
        assert_ptr_equal(map_take(&map, key), &map);
        assert_true(map.cap <= 8 || map.count >= map.cap / 8 - 1);
    }
    assert_int_equal(map.count, 0);
    assert_int_equal(map.cap, 8);
    map_fini(&map);
}

/* Growing at one count and shrinking at nearly the same one would move all at every other call. */
static void it_does_not_move_to_and_fro(void **state)
{
    (void)state;
    struct map map = {0};
    size_t moved = 0;
    uint64_t key = 0;
    while (map.cap < 1024)
        map_put(&map, ++key, &map);
    for (int i = 0; i < 1000; i++) {
        struct map_slot *slots = map.slots;
        map_take(&map, key);
        moved += slots != map.slots;
        slots = map.slots;
        map_put(&map, key, &map);
        moved += slots != map.slots;
    }
    assert_true(moved <= 1);
    map_fini(&map);
}

struct word {
    const char *text;
    struct map_link link;
};

static const char *chain(const struct map *map, uint64_t key)
{
    static char texts[32];
    size_t len = 0;
    for (struct map_link *link = map_get(map, key); link; link = link->next)
        len += (size_t)snprintf(texts + len, sizeof texts - len, "%s", container_of(link, struct word, link)->text);
    texts[len] = '\0';
    return texts;
}

static void values_of_one_key_are_a_chain(void **state)
{
    (void)state;
    struct map map = {0};
    struct word a = {.text = "a"}, b = {.text = "b"}, c = {.text = "c"}, other = {.text = "other"};
    map_chain_add(&map, 7, &a.link);
    map_chain_add(&map, 7, &b.link);
    map_chain_add(&map, 8, &other.link);
    map_chain_add(&map, 7, &c.link);
    assert_string_equal(chain(&map, 7), "cba");
    map_chain_remove(&map, 7, &b.link); /* in the middle */
    assert_string_equal(chain(&map, 7), "ca");
    map_chain_remove(&map, 7, &c.link); /* the first */
    map_chain_add(&map, 7, &b.link);
    map_chain_remove(&map, 7, &a.link); /* the last */
    assert_string_equal(chain(&map, 7), "b");
    map_chain_remove(&map, 7, &b.link);
    assert_null(map_get(&map, 7));
    assert_int_equal(map.count, 1);
    assert_string_equal(chain(&map, 8), "other");
    map_fini(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_map_holds_nothing),
        cmocka_unit_test(a_key_has_one_value),
        cmocka_unit_test(zero_is_no_key),
        cmocka_unit_test(the_largest_keys_are_keys),
        cmocka_unit_test(removal_closes_the_hole),
        cmocka_unit_test(it_does_as_a_list_does),
        cmocka_unit_test(it_does_as_a_list_does_when_all_collide),
        cmocka_unit_test(an_emptied_table_gives_memory_back),
        cmocka_unit_test(it_does_not_move_to_and_fro),
        cmocka_unit_test(values_of_one_key_are_a_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
