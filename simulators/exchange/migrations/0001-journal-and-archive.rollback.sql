DROP TABLE journal, report, repeat, closed_order, snapshot, parked, marker;
