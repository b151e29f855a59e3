-- A claim is the two keys of a new order; what a saga does with waiting orders is to take them.
ALTER TABLE sagas RENAME COLUMN claimed_at TO taken_at;
