DROP TABLE trade, forgotten_trade;
