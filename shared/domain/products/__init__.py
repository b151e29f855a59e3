"""What each product does with money: one policy a product, used by risk and books alike."""

from collections.abc import Mapping
from typing import Final

from shared.domain.orders.terms import Product
from shared.domain.products.delivery import Delivery
from shared.domain.products.product import ProductPolicy

POLICIES: Final[Mapping[Product, ProductPolicy]] = {Product.CNC: Delivery()}
"""The products that the broker can deal with; the dated limits say which of them are on offer."""
