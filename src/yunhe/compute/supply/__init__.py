"""What providers offer: chips as data, pools open or closed, prices by period, rate cards."""
